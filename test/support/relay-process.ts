/**
 * A relay as a process of its own, for a network that the test itself is not in:
 * `node relay-process.ts '{"targetPorts":[2049],"roundTripMs":23}'` prints the ports it listens on,
 * and at SIGUSR2 the RPC records, bytes and calls that crossed it.
 */
import { type RelayOptions, startRelay } from './relay.ts';

const relay = await startRelay(JSON.parse(process.argv[2] ?? '{}') as RelayOptions);
process.stdout.write(`${JSON.stringify(relay.ports)}\n`);
process.on('SIGUSR2', () => {
  const { records, bytes, calls } = relay;
  process.stdout.write(`${JSON.stringify({ records, bytes, calls })}\n`);
});
