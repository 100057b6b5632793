// How much a namespace does in one turn of the event loop while others want something too. A quiet one waits for the rest of the turn in which
// it comes and for what the others do in its own, so turns are short: about as long as a request takes by itself. That a transaction then holds
// few changes costs some two fifths more CPU for each than the largest groups, and only while the server is shared.

/** Changes of one namespace in one transaction. */
export const changesMax = 4;
/** Requests that a namespace begins in one turn. */
export const requestsMax = 2;
/** So many polls, which write nothing while they wait, count as one request. */
export const pollsPerRequest = 4;
/** Requests that a namespace which is alone begins in one turn: as much as whoever comes next may have to wait for, once. */
export const aloneMax = 256;

/** How many of each of `flows` go, of `max` in all: nobody is left out as long as there is room for one of each. */
export const shareOf = (flows: number, max: number): number => Math.max(1, Math.min(changesMax, Math.floor(max / flows)));
