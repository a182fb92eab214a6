/**
 * A message that was made into bytes once, for all who are sent the same: as an object it would take many times the room,
 * and be encoded for each of them.
 */
import { type DescMessage, type MessageShape, toBinary } from '@bufbuild/protobuf'

export class Encoded<M> {
  readonly bytes: Uint8Array
  /** Nothing of it is there at run time. */
  declare readonly message?: M

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }
}

export function encoded<D extends DescMessage>(schema: D, message: MessageShape<D>): Encoded<MessageShape<D>> {
  // A copy of its own length: the writer's buffer is larger.
  return new Encoded(toBinary(schema, message).slice())
}
