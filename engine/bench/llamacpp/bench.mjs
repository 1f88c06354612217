// Times llama.cpp on a GGUF file: a prompt for one text, then tokens one by one for
// one text and for several. It calls the batches of node-llama-cpp's binding, which
// is what its own queue does, so that nothing but llama_decode is timed; tokens are
// not sampled. Best of several.
//
//   node bench.mjs DIRECTORY-WITH-node_modules REQUEST-AS-JSON
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";
import {join} from "node:path";

const [directory, requestText] = process.argv.slice(2);
const resolve = createRequire(pathToFileURL(join(directory, "package.json"))).resolve;
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(resolve("node-llama-cpp")).href);
const request = JSON.parse(requestText);

const llama = await getLlama({gpu: false, build: "never", maxThreads: request.threads, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: request.model, gpuLayers: 0});
const half = request.prompt ?? Math.floor(request.context / 2);

function cpuSeconds() {
    const u = process.cpuUsage();
    return (u.user + u.system) / 1e6;
}

const token = (i) => (i * 7919 + 13) % request.vocabulary;

async function measure(texts) {
    const context = await model.createContext({
        contextSize: request.context, sequences: texts, batchSize: Math.max(half, texts), threads: request.threads, flashAttention: request.flash
    });
    const ctx = context._ctx;
    ctx.setThreads(request.threads);
    let prefill = 0, prefillByCPU = 0;
    for (let i = 0; i < Math.max(texts, 3); i++) {
        const id = i % texts;
        ctx.disposeSequence(id);
        const prompt = Uint32Array.from({length: half}, (_, at) => token(at + id));
        const begin = process.hrtime.bigint(), cpu = cpuSeconds();
        ctx.initBatch(half);
        ctx.addToBatch(id, 0, prompt, Uint32Array.from([half - 1]));
        await ctx.decodeBatch();
        prefill = Math.max(prefill, half / (Number(process.hrtime.bigint() - begin) / 1e9));
        prefillByCPU = Math.max(prefillByCPU, half / (cpuSeconds() - cpu));
    }
    let decode = 0, decodeByCPU = 0, position = half;
    for (let round = 0; round < request.rounds && position + request.run <= request.context; round++) {
        const begin = process.hrtime.bigint(), cpu = cpuSeconds();
        for (let step = 0; step < request.run; step++, position++) {
            ctx.initBatch(texts);
            for (let id = 0; id < texts; id++)
                ctx.addToBatch(id, position, Uint32Array.from([token(position * texts + id)]), Uint32Array.from([0]));
            await ctx.decodeBatch();
        }
        decode = Math.max(decode, texts * request.run / (Number(process.hrtime.bigint() - begin) / 1e9));
        decodeByCPU = Math.max(decodeByCPU, texts * request.run / (cpuSeconds() - cpu));
    }
    await context.dispose();
    return {batch: texts, prefill_tokens_per_second: prefill, decode_tokens_per_second: decode,
        prefill_tokens_per_cpu_second: prefillByCPU, decode_tokens_per_cpu_second: decodeByCPU};
}

const results = [];
for (const texts of request.batches)
    results.push(await measure(texts));
process.stdout.write(JSON.stringify(results) + "\n");
process.exit(0);
