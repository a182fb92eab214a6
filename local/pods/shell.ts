/** Text for `sh`: everything that is not written here by hand goes through `quote`. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
}

export function commandLine(...words: readonly string[]): string {
  return words.map(quote).join(' ')
}
