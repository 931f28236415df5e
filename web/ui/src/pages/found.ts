// Words and steps of the search page.

const kinds: Record<string, string> = { hoster: "hoster", incident: "incident", prefix: "prefix", address: "address", as: "AS", upstream: "upstream", family: "C&C family" };

export const kindWords = (kind: string) => kinds[kind] ?? kind;

/** What may be asked, and what it is. */
export const examples: readonly (readonly [string, string])[] = [
  ["McColo", "a part of a hoster's name"],
  ["AS26780", "an AS number; 26780 and 0.26780 are the same"],
  ["208.66.192.0/22", "a prefix"],
  ["208.66.195.15", "an address: whose it is, and what was seen there"],
  ["Ozdok", "a C&C family, by any of its names"],
];

/** The result that a key leads to; undefined: the key is for somebody else. */
export function nextOf(key: string, at: number, count: number): number | undefined {
  if (count === 0) return undefined;
  switch (key) {
    case "ArrowDown": return Math.min(count - 1, at + 1);
    case "ArrowUp": return Math.max(0, at - 1);
    case "Home": return 0;
    case "End": return count - 1;
  }
  return undefined;
}
