/** The cluster's objects as the DNS server looks at them. */
import type { ResourceStore } from '../../control/resources/store.ts'
import type { DnsView } from './answers.ts'

export function storeView(store: ResourceStore, clusterDomain: string): DnsView {
  return {
    clusterDomain,
    service: (namespace, name) => store.get('Service', namespace, name),
    namespaceExists: (name) => store.get('Namespace', '', name) !== undefined,
    slices: (namespace) => store.list('EndpointSlice').filter(({ metadata }) => metadata.namespace === namespace),
    pods: (namespace) => store.list('Pod').filter(({ metadata }) => metadata.namespace === namespace),
  }
}
