/** The few annotations that refuse the pod instead of being passed over: to ignore them would betray what they ask for. */
import { ProxyConfig } from '../api/vocabulary.ts'
import type { InjectorConfig } from './config.ts'

/** One sentence per annotation that cannot be honoured; empty: the pod may be injected. */
export function refusals(annotations: ReadonlyMap<string, string>, config: InjectorConfig): string[] {
  const sentences: string[] = []
  const headers = annotations.get(ProxyConfig.proxyLogHttpHeaders)
  // A slip here may write credentials into logs.
  if (headers !== undefined && !['off', 'insecure', ''].includes(headers)) {
    sentences.push(`${ProxyConfig.proxyLogHttpHeaders}: "${headers}" is not one of off, insecure; the pod is refused`)
  }
  const closeWait = annotations.get(ProxyConfig.closeWaitTimeout)
  if (closeWait !== undefined && !config.proxyInit.runAsRoot) {
    sentences.push(
      `${ProxyConfig.closeWaitTimeout}: "${closeWait}" needs an init container that runs as root; install with proxyInit.runAsRoot=true or remove the annotation; the pod is refused`,
    )
  }
  return sentences
}
