// What arrives at the page's <video id="remote">: its numbered test pictures and its sound.
// The barcode is that of firertc.sample: two rows of 16 blocks, 24 bits of number, 8 of CRC-32.

(() => {
  const crc8 = (bytes) => {
    let crc = ~0;
    for (const byte of bytes) {
      crc ^= byte;
      for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc & 0xff;
  };

  const grab = () => {
    const video = document.getElementById("remote");
    const { videoWidth: width, videoHeight: height } = video;
    if (!width) return null;
    const canvas = new OffscreenCanvas(width, height);
    const context = canvas.getContext("2d");
    context.drawImage(video, 0, 0);
    return context.getImageData(0, 0, width, height);
  };

  const mean = ({ data, width, height }, left, top, right, bottom) => {
    const sum = [0, 0, 0];
    let count = 0;
    for (let y = Math.round(top * height); y < bottom * height; y++) {
      for (let x = Math.round(left * width); x < right * width; x++, count++) {
        for (let c = 0; c < 3; c++) sum[c] += data[4 * (y * width + x) + c];
      }
    }
    return sum.map((value) => value / count);
  };

  // The number of the picture that is shown, or null.
  const frameNumber = () => {
    const image = grab();
    if (!image) return null;
    let word = 0;
    for (let block = 0; block < 32; block++) {
      const [row, column] = [Math.floor(block / 16), block % 16];
      const [left, top] = [(column + 0.25) / 16, (row + 0.25) / 8];
      const [r, g, b] = mean(image, left, top, left + 0.5 / 16, top + 0.5 / 8);
      const light = (r + g + b) / 3;
      if (light > 90 && light < 160) return null;
      word = word * 2 + (light >= 160 ? 1 : 0);
    }
    const number = Math.floor(word / 256);
    const bytes = [(number >> 16) & 255, (number >> 8) & 255, number & 255];
    return crc8(bytes) === word % 256 ? number : null;
  };

  // The colours of the eight bars, just above the lower edge.
  const bars = () => {
    const image = grab();
    return image && Array.from({ length: 8 }, (_, bar) =>
      mean(image, (bar + 0.3) / 8, 0.93, (bar + 0.7) / 8, 0.98).map(Math.round));
  };

  // The strongest frequency of what is heard, and how strong it is in decibels.
  const sound = async () => {
    const context = new AudioContext();
    try {
      await context.resume();
      const analyser = context.createAnalyser();
      analyser.fftSize = 16384;
      context.createMediaStreamSource(document.getElementById("remote").srcObject).connect(analyser);
      const bins = new Float32Array(analyser.frequencyBinCount);
      await new Promise((resolve) => setTimeout(resolve, 700));
      analyser.getFloatFrequencyData(bins);
      const loudest = bins.indexOf(Math.max(...bins));
      return { hertz: (loudest * context.sampleRate) / analyser.fftSize, decibels: bins[loudest] };
    } finally {
      await context.close();
    }
  };

  window.reading = { frameNumber, bars, sound };
})();
