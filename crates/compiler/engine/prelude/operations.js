// Host operations: things that take time and are done outside. Each has a handle; the host says when one has ended.

/** handle -> what to do when it has ended: (isError, text, handle) => void. */
const operations = new Map();

/** Starts an operation, a JSON object whose `op` names it, and gives its handle. */
function startOperation(operation, whenEnded) {
  return follow(native.start(jsonOf(operation)), whenEnded);
}

/** Has `whenEnded` called once the operation of this handle has ended. Gives the handle. */
function follow(handle, whenEnded) {
  operations.set(handle, whenEnded);
  return handle;
}

function cancelOperation(handle) {
  if (operations.delete(handle)) {
    native.cancel(handle);
  }
}

/** The engine's C calls this when the host says that an operation has ended. */
function ended(handle, isError, text) {
  const whenEnded = operations.get(handle);
  operations.delete(handle);
  whenEnded?.(isError, text, handle);
}
