// Loaded into firebase-tools before it starts: where its functions listen.
//
// firebase-tools looks for a port that is free from 8081 plus a random number on, hands it to a
// function's process and goes on; the process listens a second later. Two that start meanwhile, in
// this suite or in another, can be given the same one: then one function's requests are answered
// by another's process, as not found. The system's own choice is taken from a far larger range, and
// none is given out twice.
"use strict";

const net = require("node:net");

const portfinder = require(require.resolve("portfinder", { paths: [process.argv[1]] }));

const given = new Set();

async function freePort() {
  for (;;) {
    const port = await new Promise((resolve, reject) => {
      const server = net.createServer();
      server.once("error", reject);
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address();
        server.close(() => {
          resolve(port);
        });
      });
    });
    if (!given.has(port)) {
      given.add(port);
      return port;
    }
  }
}

portfinder.getPortPromise = freePort;
