/** Requests of all protocols that the server makes wait at the moment. */
export const slowOnes = { inFlight: 0 }
