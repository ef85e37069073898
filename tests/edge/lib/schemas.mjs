// Values from JSON Schemas: mostly good ones, and ones with one thing wrong. Whether a value is good is never decided
// here but by ajv; a generator only has to reach both sides often.
import fc from 'fast-check'

const text = (schema) => {
  const { minLength = 0, maxLength = 60 } = schema
  const most = Math.min(maxLength, minLength + 60)
  const any = fc.string({ minLength, maxLength: most, unit: 'grapheme' })
  const ascii = fc.string({ minLength, maxLength: most, unit: fc.constantFrom(...'abcXYZ0189-_. @/:+') })
  if (!schema.pattern) return fc.oneof(ascii, any)
  // The pattern of the document, without what only bounds it.
  return fc.oneof({ weight: 5, arbitrary: fc.stringMatching(new RegExp(schema.pattern)) }, { weight: 1, arbitrary: ascii })
    .map(value => [...value].slice(0, maxLength).join(''))
}

export function good(schema) {
  if (schema.enum) return fc.constantFrom(...schema.enum)
  if (schema.anyOf) return fc.oneof(...schema.anyOf.map(good))
  const types = Array.isArray(schema.type) ? schema.type : [schema.type]
  return fc.oneof(...types.map(type => {
    switch (type) {
      case 'string':
        return text(schema)
      case 'integer':
        return fc.oneof(fc.integer({ min: Math.max(schema.minimum ?? 0, -(2 ** 31)), max: Math.min(schema.maximum ?? 1000, 2 ** 31 - 1) }),
          fc.constantFrom(schema.minimum ?? 0, Math.min(schema.maximum ?? 1000, Number.MAX_SAFE_INTEGER)))
      case 'boolean':
        return fc.boolean()
      case 'null':
        return fc.constant(null)
      case 'array':
        return fc.array(good(schema.items), { minLength: schema.minItems ?? 0, maxLength: Math.min(schema.maxItems ?? 4, (schema.minItems ?? 0) + 4) })
      case 'object': {
        if (schema.properties) {
          const fields = Object.fromEntries(Object.entries(schema.properties).map(([name, one]) => [name, good(one)]))
          return fc.record(fields, { requiredKeys: schema.required ?? [] })
        }
        const names = schema.propertyNames ? text({ maxLength: 64, ...schema.propertyNames }) : fc.string({ minLength: 1, maxLength: 20 })
        const values = typeof schema.additionalProperties === 'object' ? good(schema.additionalProperties) : fc.string()
        return fc.dictionary(names, values, { maxKeys: 4 })
      }
      default:
        return fc.jsonValue({ maxDepth: 2 })
    }
  }))
}

const odd = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, true, 0, -1, 1.5, 1e300, 2 ** 53, -(2 ** 63), '', ' ', 'x'.repeat(300), 'x'.repeat(70000), '\u0000', '\r\nX: y',
    '../../etc/passwd', "' OR 1=1 --", '{{7*7}}', [], {}, [[]], '\u202e', '\ud83d\ude00'.repeat(64), '٣', '1e3', '0x10', '-0', 'NaN')
)

// A good value with one place replaced, removed or added.
export function spoilt(schema) {
  return fc.tuple(good(schema), fc.array(fc.nat(50), { minLength: 1, maxLength: 4 }), odd, fc.constantFrom('replace', 'remove', 'add'))
    .map(([value, way, other, how]) => spoil(structuredClone(value), way, other, how))
}
function spoil(value, way, other, how) {
  if (value === null || typeof value !== 'object') return other
  const keys = Object.keys(value)
  if (how === 'add' && !Array.isArray(value)) return { ...value, unknown_field: other }
  if (keys.length === 0) return other
  const key = keys[way[0] % keys.length]
  if (way.length > 1 && typeof value[key] === 'object' && value[key] !== null) {
    value[key] = spoil(value[key], way.slice(1), other, how)
  } else if (how === 'remove') {
    if (Array.isArray(value)) value.splice(Number(key), 1)
    else delete value[key]
  } else {
    value[key] = other
  }
  return value
}

export const either = schema => fc.oneof({ weight: 1, arbitrary: good(schema) }, { weight: 2, arbitrary: spoilt(schema) })
