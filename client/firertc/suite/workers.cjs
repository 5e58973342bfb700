// Loaded into firebase-tools before it starts: how it reaches the processes of its functions.
//
// Ports: it looks for one that is free from 8081 plus a random number below 1,000 on, hands it to a
// function's process and goes on; the process listens a second later. Two that start meanwhile, in
// this suite or in another, can be given the same one: then one function's requests are answered
// by another's process, as not found. Here a port is given out once on this machine: a UDP socket of
// the same number, which ends with this process, says that it is taken.
//
// Connections: it keeps them for the next request, and a function's process (gunicorn) ends them
// after 2 s. A request that is sent at this moment fails, and firebase-tools kills the process for
// it. Here each request has a connection of its own.
"use strict";

const crypto = require("node:crypto");
const { createSocket } = require("node:dgram");
const http = require("node:http");

const portfinder = require(require.resolve("portfinder", { paths: [process.argv[1]] }));

// Above are the ports that suites choose for themselves (`addresses.py`).
const LOWEST = 10_000;
const HIGHEST = 19_900;

const find = portfinder.getPortPromise;

/** Whether nobody else was given this port. */
function take(port) {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ address: "127.0.0.1", port, exclusive: true }, () => {
      socket.unref();
      resolve(true);
    });
  });
}

portfinder.getPortPromise = async () => {
  for (let port = crypto.randomInt(LOWEST, HIGHEST); ; port++) {
    port = await find({ port });
    if (await take(port)) return port;
  }
};

http.globalAgent = new http.Agent({ keepAlive: false });
