import { RegistryError } from '../errors.ts';
import { type HistoryEntry, type Latest, MAX_HISTORY } from '../records/latest.ts';

/**
 * The steps of a version on its way out, as changes of the `latest` record. A version is in one list
 * at a time: `history` (kept), `retired` (a tombstone: any use brings it back), `deletable` (its
 * servers may delete the data). Publishing it again takes it from any of them to `history`.
 */
export type RetirementLists = Required<
  Pick<Latest, 'history' | 'channels' | 'retired' | 'deletable'>
>;

/**
 * Takes versions out of the history and off the channels, and remembers them whole.
 *
 * @throws RegistryError VERSION_NOT_FOUND for the current version, which cannot go
 */
export function retireVersions(latest: Latest, versions: readonly string[]): RetirementLists {
  if (versions.includes(latest.version)) {
    throw new RegistryError(
      'VERSION_NOT_FOUND',
      `${latest.version} is the current version of ${latest.appliance}: publish another one first`,
    );
  }
  const goes = (entry: HistoryEntry): boolean => versions.includes(entry.version);
  return {
    history: latest.history.filter((entry) => !goes(entry)),
    retired: [...latest.history.filter(goes), ...(latest.retired ?? [])],
    deletable: latest.deletable ?? [],
    channels: Object.fromEntries(
      Object.entries(latest.channels).filter(([, version]) => !versions.includes(version)),
    ),
  };
}

/** Puts retired versions back; others are left as they are. */
export function restoreVersions(latest: Latest, versions: readonly string[]): RetirementLists {
  const { history, retired = [], deletable = [], channels } = latest;
  const returns = (entry: HistoryEntry): boolean => versions.includes(entry.version);
  return {
    history: [...history, ...retired.filter(returns)].sort((a, b) => b.published - a.published),
    retired: retired.filter((entry) => !returns(entry)),
    deletable,
    channels,
  };
}

/** Lets the servers of retired versions delete their data; the oldest such permissions are forgotten. */
export function permitDeletion(latest: Latest, versions: readonly string[]): RetirementLists {
  const { history, retired = [], deletable = [], channels } = latest;
  const goes = (entry: HistoryEntry): boolean => versions.includes(entry.version);
  return {
    history,
    retired: retired.filter((entry) => !goes(entry)),
    deletable: [...retired.filter(goes).map(({ version }) => version), ...deletable].slice(
      0,
      MAX_HISTORY,
    ),
    channels,
  };
}

/** Takes the permission to delete one version back. */
export function reclaimVersion(latest: Latest, version: string): RetirementLists {
  const { history, retired = [], deletable = [], channels } = latest;
  return {
    history,
    retired,
    deletable: deletable.filter((each) => each !== version),
    channels,
  };
}

/** Whether servers may delete the data of `version`. */
export function isDeletable({ deletable = [] }: Latest, version: string): boolean {
  return deletable.includes(version);
}
