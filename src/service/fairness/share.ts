/**
 * What a namespace has done in one turn of the event loop, changes written and requests begun, while others ask for something too. A turn
 * with a commit takes some milliseconds, of which this many changes are about half: whoever else comes waits for the rest of one turn.
 */
export const shareMax = 8;
/** Requests that a namespace which is alone begins in one turn: as much as whoever comes next may have to wait for, once. */
export const aloneMax = 256;

/** How many of each of `flows` go, of `max` in all: nobody is left out as long as there is room for one of each. */
export const shareOf = (flows: number, max: number): number => Math.max(1, Math.min(shareMax, Math.floor(max / flows)));
