/** Where an NFSv3 server listens, whichever it is: ganesha, our server, the proxy, or a relay before them. */
export type NfsServerAddress = {
  readonly host: string;
  readonly nfsPort: number;
  readonly mountPort: number;
};
