/* What the commands of the story print as JSON, as far as the story needs it. */

export interface ReadyNode {
  readonly addresses: readonly string[];
  readonly rest: string;
}

export interface ReadyServer {
  readonly host: string;
  readonly port: number;
  readonly mountPort: number;
}

export interface ReadyProxy extends ReadyServer {
  readonly version: string;
  readonly mountCommand: string;
  readonly rest: string;
}

export interface BuiltImage {
  readonly digest: string;
  readonly inodes: number;
  readonly blocks: number;
  readonly read: { readonly bytes: number };
  readonly reused: { readonly files: number };
}

export interface GcAnswer {
  readonly plan: {
    readonly id: string;
    readonly decisions: readonly {
      readonly version: string;
      readonly decision: string;
      readonly text: string;
    }[];
  };
}

export interface SessionAnswer {
  readonly sessions: readonly {
    readonly servers: readonly {
      readonly address: string;
      readonly blocks: { readonly good: number } | null;
    }[];
    readonly image: { readonly reads: { readonly fetchedBytes: number } } | null;
  }[];
}
