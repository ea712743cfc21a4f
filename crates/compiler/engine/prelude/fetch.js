// https://fetch.spec.whatwg.org/#fetch-method. The host does what a browser would: it connects, follows redirects and bounds it all.

const NO_BYTES = new Uint8Array();

defineGlobal("fetch", function fetch(input, init = undefined) {
  // Made here, so that it says where `fetch` was called.
  const failure = new TypeError("");
  return fetchRequest(input, init, failure);
});

async function fetchRequest(input, init, failure) {
  const { head, headers, body: given } = readRequest(input, init ?? {});
  const { url, method, redirect, signal } = head;
  refuseWhileBuilding("fetch");
  signal?.throwIfAborted();
  const body = given === null ? NO_BYTES : await consumeBody(given);
  signal?.throwIfAborted();
  const list = headersList(headers);
  if (valueOfHeader(list, "accept") === null) {
    list.push(["accept", "*/*"]);
  }
  const told = await startFetch(jsonOf({ url, method, headers: list, redirect }), body, signal, failure);
  return responseOfHost(parseJson(told), signal);
}

/** A promise for what the host says of the response. */
function startFetch(request, body, signal, failure) {
  const { promise, resolve, reject } = Promise.withResolvers();
  const fail = (message) => {
    Object.defineProperty(failure, "message", { value: message, writable: true, configurable: true, enumerable: false });
    reject(failure);
  };
  let handle;
  try {
    handle = native.fetch(request, body);
  } catch (error) {
    fail(error.message);
    return promise;
  }
  const stopFollowing = whenAborted(signal, (reason) => {
    cancelOperation(handle);
    reject(reason);
  });
  follow(handle, (isError, text) => {
    stopFollowing();
    if (isError) {
      fail(text);
    } else {
      resolve(text);
    }
  });
  return promise;
}
