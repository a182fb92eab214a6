import { test } from 'tap'
import {
  held,
  LARGE_CHUNK_BYTES,
  pooledBytes,
  releaseChunk,
  releaseChunks,
  SMALL_CHUNK_BYTES,
  takeChunk,
  trimChunks,
} from './chunk-pool.ts'

const MB = 1_048_576

test('the pool of chunks', async (t) => {
  t.beforeEach(() => releaseChunks())

  t.test('a chunk that was released is taken again', async (t) => {
    for (const bytes of [1, SMALL_CHUNK_BYTES, SMALL_CHUNK_BYTES + 1, LARGE_CHUNK_BYTES]) {
      const chunk = takeChunk(bytes)
      releaseChunk(chunk)
      t.equal(takeChunk(bytes), chunk, `${bytes} bytes`)
      releaseChunk(chunk)
    }
    t.equal(held.bytes, 0)
  })

  t.test('what slow readers held is kept for those behind them, and goes when nobody needs it', async (t) => {
    const round = (): void => {
      const chunks = Array.from({ length: 500 }, () => takeChunk(LARGE_CHUNK_BYTES))
      t.equal(held.bytes, 500 * LARGE_CHUNK_BYTES)
      t.equal(pooledBytes(), 0, 'all of them are in use')
      for (const chunk of chunks) releaseChunk(chunk)
    }
    round()
    trimChunks()
    t.equal(pooledBytes(), 500 * LARGE_CHUNK_BYTES, 'they were needed a moment ago')
    round()
    trimChunks()
    t.equal(pooledBytes(), 500 * LARGE_CHUNK_BYTES, 'and are again')
    trimChunks()
    t.equal(pooledBytes(), 250 * LARGE_CHUNK_BYTES, 'half of them go in a second without need')
    for (let second = 0; second < 10; second++) trimChunks()
    t.equal(pooledBytes(), MB, 'a little stays')
  })

  t.test('no more is kept than readers may hold', async (t) => {
    const chunks = Array.from({ length: 1_100 }, () => takeChunk(LARGE_CHUNK_BYTES))
    for (const chunk of chunks) releaseChunk(chunk)
    t.equal(pooledBytes(), 64 * MB)
  })
})
