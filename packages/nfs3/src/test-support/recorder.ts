import type { Credential } from '@rowfs/oncrpc';
import { type ArgsOf, everyProcedure, type ResultOf } from '../every-procedure.ts';
import { failure } from '../failure.ts';
import type { MountResult } from '../mount/mnt.ts';
import type { ProcedureName } from '../procedures/table.ts';
import type { Nfs3Context, Nfs3Service } from '../service.ts';
import { Mountstat3, Nfsstat3 } from '../status.ts';

/** One call that reached a {@link Recorder}. */
export interface RecordedCall {
  readonly procedure: ProcedureName | 'null' | 'mount';
  readonly args: unknown;
  readonly credential: Credential;
}

/** A service that keeps what it was asked, and answers what it was told to. */
export interface Recorder {
  readonly service: Nfs3Service;
  readonly calls: RecordedCall[];
  /** What the procedure answers from now on, instead of NFS3ERR_NOTSUPP. */
  readonly answer: <P extends ProcedureName>(procedure: P, result: ResultOf<P>) => void;
  readonly answerMount: (result: MountResult) => void;
  /** What every procedure rejects with from now on. */
  readonly reject: (error: Error) => void;
}

export function createRecorder(): Recorder {
  const calls: RecordedCall[] = [];
  const answers = new Map<ProcedureName, unknown>();
  let mountResult: MountResult = { status: Mountstat3.NOTSUPP };
  let rejection: Error | undefined;
  const record = (call: RecordedCall): void => {
    calls.push(call);
    if (rejection !== undefined) throw rejection;
  };
  const handle = async <P extends ProcedureName>(
    procedure: P,
    args: ArgsOf<P>,
    { credential }: Nfs3Context,
  ): Promise<ResultOf<P>> => {
    record({ procedure, args, credential });
    const result = answers.get(procedure) ?? failure(procedure, Nfsstat3.NOTSUPP);
    return result as ResultOf<P>;
  };
  return {
    service: {
      ...everyProcedure(handle),
      async null({ credential }) {
        record({ procedure: 'null', args: undefined, credential });
      },
      async mount(dirpath, { credential }) {
        record({ procedure: 'mount', args: dirpath, credential });
        return mountResult;
      },
    },
    calls,
    answer: (procedure, result) => void answers.set(procedure, result),
    answerMount: (result) => {
      mountResult = result;
    },
    reject: (error) => {
      rejection = error;
    },
  };
}
