/** Far deeper than anything that people or programs mean, and far from where recursion over a value ends in a stack overflow. */
export const nestingMax = 200;

const quote = 0x22;
const backslash = 0x5c;

/** Whether arrays and objects of a JSON text stand within each other more than `nestingMax` times. */
export function isNestedTooDeeply(json: string): boolean {
  let depth = 0;
  let isText = false;
  for (let at = 0; at < json.length; at++) {
    const code = json.charCodeAt(at);
    if (isText) {
      if (code === backslash) at++;
      else if (code === quote) isText = false;
    } else if (code === quote) isText = true;
    // `[` and `{`, then `]` and `}`: they differ in one bit.
    else if ((code | 0x20) === 0x7b) {
      if (++depth > nestingMax) return true;
    } else if ((code | 0x20) === 0x7d) depth--;
  }
  return false;
}
