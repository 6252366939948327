/** Where to listen or connect; port 0 lets the system choose one. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Who called: the other end of the connection, or the sender of the datagram. */
export interface Peer {
  readonly address: string;
  readonly port: number;
}
