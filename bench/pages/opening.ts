/** Wait until a data channel is open. */
export async function opened(channel: RTCDataChannel): Promise<void> {
  if (channel.readyState === "open") return;
  await new Promise<void>((resolve, reject) => {
    channel.addEventListener("open", () => {
      resolve();
    });
    channel.addEventListener("close", () => {
      reject(new Error("the channel closed before it opened"));
    });
  });
}
