"""Several links in one page, their sides by name."""

# What each side was told; `made` are channels by their labels.
SIDES = """
window.sides = {};
window.keep = (who, client, link, call) => {
  const side = { client, call, link, heard: [], log: [], made: {}, tracks: [] };
  sides[who] = side;
  link.on("message", (body) => side.heard.push(body));
  link.on("reconnecting", (reason) => side.log.push(`reconnecting ${reason}`));
  link.on("reconnected", () => side.log.push("reconnected"));
  link.on("closed", ({ reason }) => side.log.push(`closed ${reason}`));
  link.on("track", (track) => side.tracks.push(track));
  return side;
};
window.wait = async (who, config, media = () => ({ receiving: [] })) => {
  const client = new firertc.Client(config);
  const call = await client.waitAtCode({ media: media() });
  keep(who, client, call.link, call).answered = call.answered(30);
  return call.code;
};
window.come = async (who, config, code, media = () => ({ receiving: [] })) => {
  const client = new firertc.Client(config);
  const onCall = (call) => keep(who, client, call.link, call);
  await client.comeWithCode(code, { media: media(), onCall });
};
window.two = async (config, media) => {
  await come("bob", config, await wait("ann", config, media), media);
  await sides.ann.answered;
};
window.closeAll = async () => {
  await Promise.all(Object.values(sides).map(({ client }) => client.close()));
};
null;
"""
