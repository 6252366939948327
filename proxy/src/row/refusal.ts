import { nfsstat3Name, type Nfsstat3Error } from '@rowfs/nfs3';

/** Thrown while an operation is being decided; the procedure answers with its status. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: Nfsstat3Error;

  constructor(status: Nfsstat3Error, options?: ErrorOptions) {
    super(nfsstat3Name(status), options);
    this.status = status;
  }
}
