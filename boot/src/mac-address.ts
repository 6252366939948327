/** Six bytes in lower-case hex with hyphens, `52-54-00-77-00-02`: fit for a path and for a file name. */
export type MacAddress = string & { readonly brand: 'MacAddress' };

/** Reads a MAC address as anybody writes it; undefined when it is none. */
export function parseMacAddress(text: string): MacAddress | undefined {
  const digits = text.toLowerCase().replaceAll(/[:.-]/g, '');
  if (!/^[0-9a-f]{12}$/.test(digits)) return undefined;
  return (digits.match(/../g) ?? []).join('-') as MacAddress;
}

/** `52:54:00:77:00:02`, as people and the kernel write it. */
export function withColons(mac: MacAddress): string {
  return mac.replaceAll('-', ':');
}
