export { describeNfs3Conformance, type ConformanceOptions, type Subject } from './suite.ts';
export { populateSample } from './sample.ts';
