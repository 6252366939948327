import type { Nfs3Service } from '@rowfs/nfs3';
import type { Client } from './client.ts';

/** What is tested: a service with the sample tree (sample.ts) at `mountPath`. */
export interface Subject {
  readonly service: Nfs3Service;
  /** Where the sample tree is, for MNT. */
  readonly mountPath: string;
  /** Ends the service and starts it again over the same storage. Called only when restartable. */
  restart(): Promise<Nfs3Service>;
  /** Ends it, and removes what it made. */
  close(): Promise<void>;
}

/** One case; it gets the subject as a client sees it. */
export type Case = (name: string, run: (client: Client, subject: Subject) => Promise<void>) => void;

/** Cases about one subject matter. */
export interface Group {
  readonly name: string;
  readonly needs: 'nothing' | 'writable' | 'read-only' | 'restartable' | 'writable and restartable';
  register(test: Case): void;
}
