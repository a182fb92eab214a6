/** The certificate library, loaded after the polyfill that it insists on. Always import it from here. */
import 'reflect-metadata'

export * from '@peculiar/x509'
