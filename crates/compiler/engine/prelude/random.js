// Its seed comes from the host at the first use in a call. The engine's own would be frozen in the snapshot.
Object.defineProperty(Math, "random", { value: native.random, writable: true, configurable: true, enumerable: false });
