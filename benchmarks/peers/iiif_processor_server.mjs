// A small server around iiif-processor: two processes, one per core; sizes and pages of the images are known, so that
// none is read to find them.
import cluster from "node:cluster";
import { createReadStream } from "node:fs";
import http from "node:http";
import { Processor } from "iiif-processor";
import sharp from "sharp";

const files = JSON.parse(process.env.BENCH_FILES);
const { BENCH_HOST: host, BENCH_PORT: port } = process.env;

if (cluster.isPrimary) {
  cluster.fork();
  cluster.fork();
  for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0));
} else {
  sharp.concurrency(1);
  const streamResolver = async ({ id }) => createReadStream(files[id].path);
  const dimensionFunction = async ({ id }) => {
    const { width, height } = files[id];
    if (!files[id].path.endsWith(".tif")) return { width, height };
    const sizes = [{ width, height }];
    while (Math.max(sizes.at(-1).width, sizes.at(-1).height) > 256) {
      const last = sizes.at(-1);
      sizes.push({ width: Math.floor(last.width / 2), height: Math.floor(last.height / 2) });
    }
    return sizes;
  };
  http
    .createServer(async (request, response) => {
      try {
        const url = `http://${host}:${port}${request.url}`;
        const processor = new Processor(url, streamResolver, { dimensionFunction });
        const result = await processor.execute();
        response.writeHead(result.statusCode ?? 200, { "Content-Type": result.contentType ?? "text/plain" });
        response.end(result.body ?? result.message ?? "");
      } catch (error) {
        response.writeHead(error.statusCode ?? 500, { "Content-Type": "text/plain" });
        response.end(String(error));
      }
    })
    .listen(port, host);
}
