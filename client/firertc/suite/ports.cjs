// Loaded into firebase-tools before it starts: where its functions listen.
//
// firebase-tools looks for a port that is free from 8081 plus a random number below 1,000 on, hands
// it to a function's process and goes on; the process listens a second later. Two that start
// meanwhile, in this suite or in another, can be given the same one: then one function's requests
// are answered by another's process, as not found. Here the range is ten times as large, and no
// port is given out twice.
"use strict";

const { randomInt } = require("node:crypto");

const portfinder = require(require.resolve("portfinder", { paths: [process.argv[1]] }));

// Above are the ports that suites choose for themselves (`addresses.py`).
const LOWEST = 10_000;
const HIGHEST = 19_900;

const given = new Set();
const find = portfinder.getPortPromise;

portfinder.getPortPromise = async () => {
  for (;;) {
    const port = await find({ port: randomInt(LOWEST, HIGHEST) });
    if (!given.has(port)) {
      given.add(port);
      return port;
    }
  }
};
