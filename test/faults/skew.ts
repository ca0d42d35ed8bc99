/** Preloaded into a node whose clock is to be wrong: sets it as many milliseconds ahead as CLOCK_AHEAD says. */
const ahead = Number(process.env["CLOCK_AHEAD"]);
const { now } = Date;
Date.now = () => now() + ahead;
