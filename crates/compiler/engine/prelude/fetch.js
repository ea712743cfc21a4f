// https://fetch.spec.whatwg.org/#fetch-method. The host does what a browser would: it connects, follows redirects and bounds it all.

defineGlobal("fetch", function fetch(input, init = undefined) {
  // Made here, so that it says where `fetch` was called.
  const failure = new TypeError("");
  try {
    const request = readRequest(input, init);
    refuseWhileBuilding("fetch");
    request.signal?.throwIfAborted();
    const bytes = bytesAtHand(request.body);
    return bytes === undefined ? fetchWhenRead(request, failure) : startFetch(request, bytes, failure);
  } catch (error) {
    return rejected(error);
  }
});

/** A promise that is rejected, whatever a tool has put in the place of `Promise.reject`. */
async function rejected(error) {
  throw error;
}

/** With a body that must be waited for, such as a stream. */
async function fetchWhenRead(request, failure) {
  const bytes = await consumeBody(request.body);
  request.signal?.throwIfAborted();
  return startFetch(request, bytes, failure);
}

/** A promise for the response. */
function startFetch({ url, method, redirect, signal, headers }, bytes, failure) {
  return new Promise((resolve, reject) => {
    let operation;
    try {
      operation = native.fetch(url, method, redirect, headersList(headers), bytes);
    } catch (error) {
      reject(saying(failure, error.message));
      return;
    }
    const stopFollowing = signal === undefined ? undefined : whenAborted(signal, (reason) => {
      cancelOperation(operation);
      reject(reason);
    });
    follow(operation, (isError, text) => {
      stopFollowing?.();
      if (isError) {
        reject(saying(failure, text));
        return;
      }
      try {
        resolve(responseOfHost(native.responseHead(text) ?? parseJson(text), operation, signal));
      } catch (error) {
        // There is no memory for it.
        reject(error);
      }
    });
  });
}

/** The error, which says this now. */
function saying(error, message) {
  return Object.defineProperty(error, "message", { value: message, writable: true, configurable: true, enumerable: false });
}
