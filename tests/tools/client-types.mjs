// The TypeScript of an OpenAPI document, as bridge/client/schema.d.ts keeps it.
import openapiTS, { astToString } from 'openapi-typescript'

export async function typesOf(document) {
  const nodes = await openapiTS(document, { alphabetize: true })
  return `// Made by scripts/client-types from GET /openapi.json; a test compares the two. Do not edit.\n${astToString(nodes)}`
}
