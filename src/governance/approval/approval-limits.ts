// How much an approval may ask for, and how much may happen to it.

export const quorumMax = 100;
export const escalationsMax = 16;
export const delegationsMax = 64;
/** UTF-16 code units. */
export const reasonLengthMax = 4_096;
