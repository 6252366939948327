import { type CarryOptions, carryOver } from '../carry/carry-over.ts';

/** Carries over in a process of its own, to be killed; the options are JSON in the first argument. */
await carryOver(JSON.parse(process.argv[2] ?? '') as CarryOptions);
