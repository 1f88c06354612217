// Loads a GGUF file with llama.cpp and writes, as JSON, how it cuts texts
// into tokens, the logits after every token of some sequences, and how it continues
// them greedily. Its input, a JSON file, is written by the test in this folder.
//
//   node compare.mjs DIRECTORY-WITH-node_modules REQUEST.json ANSWER.json
import {createRequire} from "node:module";
import {readFileSync, writeFileSync} from "node:fs";
import {pathToFileURL} from "node:url";
import {join} from "node:path";

const [directory, requestPath, answerPath] = process.argv.slice(2);
const resolve = createRequire(pathToFileURL(join(directory, "package.json"))).resolve;
const {getLlama, LlamaLogLevel} = await import(pathToFileURL(resolve("node-llama-cpp")).href);
const request = JSON.parse(readFileSync(requestPath, "utf8"));

const llama = await getLlama({gpu: false, build: "never", maxThreads: request.threads, logLevel: LlamaLogLevel.error});
const model = await llama.loadModel({modelPath: request.model, gpuLayers: 0, checkTensors: true});
const context = await model.createContext({
    contextSize: request.context, threads: request.threads, flashAttention: false,
    experimentalKvCacheKeyType: "F32", experimentalKvCacheValueType: "F32"
});
const sequence = context.getSequence();

const logits = [];
for (const tokens of request.sequences) {
    await sequence.clearHistory();
    const results = await sequence.controlledEvaluate(tokens.map((t) => [t, {generateNext: {logits: true}}]));
    logits.push(results.map((r) => {
        const row = new Array(request.vocabulary).fill(null);
        for (const [token, value] of r.next.logits)
            row[token] = value;
        return row;
    }));
}

// One token at a time, the way a server decodes.
const greedy = [];
for (const tokens of request.sequences) {
    await sequence.clearHistory();
    const out = [];
    let input = tokens;
    for (let i = 0; i < request.generate; i++) {
        const items = input.map((t, at) => at + 1 === input.length ? [t, {generateNext: {token: true, options: {temperature: 0}}}] : t);
        const results = await sequence.controlledEvaluate(items);
        const best = results.at(-1).next.token;
        out.push(best);
        input = [best];
    }
    greedy.push(out);
}

const answer = {
    tokens: request.texts.map((t) => model.tokenize(t, false)),
    special: request.texts.map((t) => model.tokenize(t, true)),
    pieces: Array.from({length: request.vocabulary}, (_, id) => model.detokenize([id], true)),
    eos: model.tokens.eos, eot: model.tokens.eot, bos: model.tokens.bos, addBOS: model.tokens.shouldPrependBosToken,
    contextLength: model.trainContextSize, logits, greedy
};
writeFileSync(answerPath, JSON.stringify(answer));
process.exit(0);
