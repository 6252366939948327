export { type Boot, type BootOptions, type BootPlan, planBoot, startBoot } from './boot.ts';
export { BootError, type BootErrorCode } from './boot-error.ts';
export type { Initramfs, NfsRoot } from './kernel-command-line.ts';
export type { KernelChoice } from './kernel-files.ts';
export { type MacAddress, parseMacAddress } from './mac-address.ts';
export type { BootImage, ImageFiles, MachineRoot, Machines } from './machines.ts';
export { checkRequirements } from './preflight.ts';
export type { AddressRange } from './subnet.ts';
export { type BootRecord, cameUp, nextBoot, type NextBoot, rollbackOf } from './trial.ts';
