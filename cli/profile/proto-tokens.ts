/**
 * Tokens of a .proto file: names, numbers, strings and single characters, each with its line, and the comments
 * apart, since a profile reads two words out of them.
 */
import { SourceError } from './profile.ts'

export interface Token {
  readonly kind: 'word' | 'string' | 'symbol'
  readonly text: string
  readonly line: number
}

/** One line of a comment, without its comment signs. */
export interface CommentLine {
  readonly text: string
  readonly line: number
}

export interface ProtoText {
  readonly tokens: readonly Token[]
  readonly comments: readonly CommentLine[]
}

// In order of alternatives: blanks, line comment, block comment, string, word or number, any other character.
const PIECE =
  /(\s+)|\/\/([^\n]*)|\/\*([\s\S]*?)\*\/|("(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')|([\w.+-]+)|([\s\S])/g

/** @throws SourceError for a comment or string that does not end */
export function tokenize(text: string, file: string): ProtoText {
  const tokens: Token[] = []
  const comments: CommentLine[] = []
  let line = 1
  for (const [piece, , lineComment, blockComment, string, word, symbol] of text.matchAll(PIECE)) {
    if (lineComment !== undefined) comments.push({ text: lineComment.replace(/^\/*/, '').trim(), line })
    if (blockComment !== undefined) {
      for (const [index, each] of blockComment.split('\n').entries()) {
        comments.push({ text: each.replace(/^\s*\*?/, '').trim(), line: line + index })
      }
    }
    if (string !== undefined) tokens.push({ kind: 'string', text: string.slice(1, -1), line })
    if (word !== undefined) tokens.push({ kind: 'word', text: word, line })
    if (symbol !== undefined) {
      if (symbol === '"' || symbol === "'") throw new SourceError(file, line, 'a string does not end on its line')
      if (symbol === '/') throw new SourceError(file, line, 'a "/" that begins no comment, or a comment without end')
      tokens.push({ kind: 'symbol', text: symbol, line })
    }
    line += countNewlines(piece)
  }
  return { tokens, comments }
}

function countNewlines(text: string): number {
  let count = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count++
  return count
}
