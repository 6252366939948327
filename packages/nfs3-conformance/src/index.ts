export { callerContext, Client, ok, present, refused, sattr } from './client.ts';
export { describeNfs3Conformance, type ConformanceOptions } from './suite.ts';
export type { Subject } from './group.ts';
export { populateSample } from './sample.ts';
