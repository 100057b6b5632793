/** In UTF-16 units. */
export const principalIdLengthMax = 256;

/** Whether a text may name a principal: not empty, not too long, on one line. */
export const isPrincipalId = (text: string): boolean =>
  text.length > 0 && text.length <= principalIdLengthMax && text.trim() === text && !/\p{Cc}/u.test(text);
