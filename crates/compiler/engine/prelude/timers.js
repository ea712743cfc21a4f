// Timers. However many there are, at most one `sleep` of the host is under way, for the earliest: host calls are counted.

/** id -> {id, due (milliseconds of the wall clock), interval or null, callback, values}. */
const timers = new Map();
let lastTimerId = 0;
/** Timers that are due by then may run. */
let timeReached = 0;
/** The host's sleep that is under way: {handle, until}, or null. */
let sleep = null;

/** As on the web: anything longer runs at once there, so it is cut here; no call lives that long. */
const DELAY_MS_MAX = 2 ** 31 - 1;

function addTimer(what, callback, delay, values, repeats) {
  if (typeof callback !== "function") {
    throw new TypeError(`the first argument of ${what} must be a function`);
  }
  refuseWhileBuilding(what);
  const delayMs = Math.min(Math.max(Math.trunc(Number(delay)) || 0, 0), DELAY_MS_MAX);
  lastTimerId += 1;
  // A repeated timer without a delay would leave no time for anything else.
  const interval = repeats ? Math.max(delayMs, 1) : null;
  const now = native.now();
  // Whole milliseconds, so that timers which were set together are due together; those without a delay are due at once.
  const due = delayMs === 0 && !repeats ? now : Math.ceil(now) + (interval ?? delayMs);
  timers.set(lastTimerId, { id: lastTimerId, due, interval, callback, values });
  return lastTimerId;
}

defineGlobal("setTimeout", function setTimeout(callback, delay, ...values) {
  return addTimer("setTimeout", callback, delay, values, false);
});
defineGlobal("setInterval", function setInterval(callback, delay, ...values) {
  return addTimer("setInterval", callback, delay, values, true);
});
defineGlobal("clearTimeout", function clearTimeout(id) {
  timers.delete(id);
});
defineGlobal("clearInterval", function clearInterval(id) {
  timers.delete(id);
});

const IDLE_NOTHING = 0;
const IDLE_WAIT = 1;
const IDLE_AGAIN = 2;

/** The engine's C asks this when no job is waiting: what now? One timer at a time, so that the jobs it makes run before the next. */
function idle() {
  const next = earliestTimer();
  if (next === undefined) {
    stopSleep();
    return operationCount === 0 ? IDLE_NOTHING : IDLE_WAIT;
  }
  if (next.due <= timeReached) {
    runTimer(next);
    return IDLE_AGAIN;
  }
  const now = native.now();
  const othersAreUnderWay = operationCount > (sleep === null ? 0 : 1);
  if (next.due <= now && !othersAreUnderWay) {
    timeReached = now;
    return IDLE_AGAIN;
  }
  // Also for a timer that is due: it goes through the host, so that a chain of such timers does not keep other operations waiting.
  if (sleep === null || sleep.until > next.due) {
    stopSleep();
    startSleep(next.due, Math.max(next.due - now, 0));
  }
  return IDLE_WAIT;
}

function earliestTimer() {
  if (lastTimerId === 0) {
    // As in most calls.
    return undefined;
  }
  let earliest;
  for (const timer of timers.values()) {
    if (earliest === undefined || timer.due < earliest.due) {
      earliest = timer;
    }
  }
  return earliest;
}

function startSleep(until, ms) {
  const handle = startOperation({ op: "sleep", ms }, () => {
    sleep = null;
    timeReached = Math.max(timeReached, until);
  });
  sleep = { handle, until };
}

function stopSleep() {
  if (sleep !== null) {
    cancelOperation(sleep.handle);
    sleep = null;
  }
}

function runTimer(timer) {
  timers.delete(timer.id);
  if (timer.interval !== null) {
    // Behind those of the same moment, and not once for each time that it missed.
    timers.set(timer.id, { ...timer, due: Math.max(timer.due + timer.interval, timeReached) });
  }
  try {
    timer.callback.apply(globalThis, timer.values);
  } catch (error) {
    unhandled(error);
  }
}
