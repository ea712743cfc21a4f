// Host operations: things that take time and are done outside. Each has a handle; the host says when one has ended.

/**
 * By handle, what to do when it has ended: (isError, text, handle) => void. A list without gaps, since the host counts handles up, and
 * without a prototype, where a tool could put something in its way.
 */
const operations = Object.setPrototypeOf([], null);
let operationCount = 0;

/** Starts an operation, a JSON object whose `op` names it, and gives its handle. */
function startOperation(operation, whenEnded) {
  return follow(native.start(jsonOf(operation)), whenEnded);
}

/** Has `whenEnded` called once the operation of this handle has ended. Gives the handle. */
function follow(handle, whenEnded) {
  while (operations.length < handle) {
    operations[operations.length] = undefined;
  }
  operations[handle] = whenEnded;
  operationCount += 1;
  return handle;
}

/** What was to be done when it ends; undefined where it is not under way. */
function forget(handle) {
  const whenEnded = operations[handle];
  if (whenEnded !== undefined) {
    operations[handle] = undefined;
    operationCount -= 1;
  }
  return whenEnded;
}

function cancelOperation(handle) {
  if (forget(handle) !== undefined) {
    native.cancel(handle);
  }
}

/** The engine's C calls this when the host says that an operation has ended. */
function ended(handle, isError, text) {
  forget(handle)?.(isError, text, handle);
}
