/**
 * Arguments or a result with the parts of its payload joined, for comparing: into how many parts a
 * payload falls is the transport's business.
 */
export function joined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('data' in value)) return value;
  const { data } = value;
  return Array.isArray(data) ? { ...value, data: Buffer.concat(data as Uint8Array[]) } : value;
}
