// What other implementations make of tokenizers and texts, for comparison.
//
//   node reference.mjs files DIR         writes llama2.json, mistral.json and
//                                        llama3.json: public vocabularies as
//                                        tokenizer.json files
//   node reference.mjs ids FILE          reads texts, a JSON list, from standard
//                                        input; prints ids and decoded texts by
//                                        Hugging Face's implementation
//   node reference.mjs own llama2|llama3|mistral
//                                        the same by the vocabulary's package
import fs from 'node:fs'
import path from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import llama2 from 'llama-tokenizer-js'
import llama3 from 'llama3-tokenizer-js'
import mistral from 'mistral-tokenizer-js'

const special = (id, content) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true })
const regex = "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const begin = (content, id) => ({
  type: 'TemplateProcessing',
  single: [{ SpecialToken: { id: content, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
  pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
  special_tokens: { [content]: { id: content, ids: [id], tokens: [content] } },
})

const vocabOf = (list) => Object.fromEntries(list.map((s, i) => [s, i]))
const mergesOf = (map) => [...map].sort((a, b) => a[1] - b[1]).map(([pair]) => pair)

// Characters, blanks written as "▁", bytes for the rest.
function characters(t) {
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: ['<unk>', '<s>', '</s>'].map((s, i) => special(i, s)),
    normalizer: { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, { type: 'Replace', pattern: { String: ' ' }, content: '▁' }] },
    pre_tokenizer: null,
    post_processor: begin('<s>', 1),
    decoder: { type: 'Sequence', decoders: [
      { type: 'Replace', pattern: { String: '▁' }, content: ' ' }, { type: 'ByteFallback' }, { type: 'Fuse' },
      { type: 'Strip', content: ' ', start: 1, stop: 0 },
    ] },
    model: {
      type: 'BPE', dropout: null, unk_token: '<unk>', continuing_subword_prefix: null, end_of_word_suffix: null,
      fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab: vocabOf(t.vocabById), merges: mergesOf(t.merges),
    },
  }
}

function bytes(t) {
  const texts = 128000 // control tokens follow
  return {
    version: '1.0', truncation: null, padding: null,
    added_tokens: t.vocabById.slice(texts).map((s, i) => special(texts + i, s)),
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [
      { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false },
      { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
    ] },
    post_processor: { type: 'Sequence', processors: [
      { type: 'ByteLevel', add_prefix_space: true, trim_offsets: false, use_regex: true }, begin('<|begin_of_text|>', texts),
    ] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE', dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null,
      fuse_unk: false, byte_fallback: false, ignore_merges: true,
      vocab: vocabOf(t.vocabById.slice(0, texts)), merges: mergesOf(t.merges).map((m) => m.split(' ')),
    },
  }
}

const texts = () => JSON.parse(fs.readFileSync(0, 'utf8'))
const say = (list) => process.stdout.write(JSON.stringify(list))

const [what, which] = process.argv.slice(2)
switch (what) {
  case 'files':
    for (const [name, file] of [['llama2', characters(llama2)], ['mistral', characters(mistral)], ['llama3', bytes(llama3)]]) {
      fs.writeFileSync(path.join(which, name + '.json'), JSON.stringify(file))
    }
    break
  case 'ids': {
    const t = new Tokenizer(JSON.parse(fs.readFileSync(which, 'utf8')), { clean_up_tokenization_spaces: false })
    say(texts().map((text) => {
      const ids = t.encode(text, { add_special_tokens: false }).ids
      return { ids: [...ids], start: [...t.encode('a').ids], text: t.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false }) }
    }))
    break
  }
  case 'own':
    say(texts().map((text) => ({
      ids: which === 'llama3' ? llama3.encode(text, { bos: false, eos: false }) : { llama2, mistral }[which].encode(text, false),
    })))
    break
  default:
    process.stderr.write('usage: reference.mjs files|ids|own ...\n')
    process.exit(2)
}
