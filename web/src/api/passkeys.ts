// Passkeys, as far as this browser has them: what the server asks is handed to the browser, what the browser says goes
// back. An address in numbers has none (WebAuthn), nor has a browser that cannot read the server's JSON.

export function passkeysHere(): boolean {
  return typeof PublicKeyCredential === 'function' && typeof PublicKeyCredential.parseCreationOptionsFromJSON === 'function' && !/^[\d.]+$|:/.test(location.hostname)
}

/** Whether the person said no, or let it pass: that is no fault. */
export function declined(error: unknown): boolean {
  return error instanceof DOMException && (error.name === 'NotAllowedError' || error.name === 'AbortError')
}

type Json = Record<string, unknown>

export async function makePasskey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as unknown as PublicKeyCredentialCreationOptionsJSON)
  const made = (await navigator.credentials.create({ publicKey })) as PublicKeyCredential
  return made.toJSON() as Json
}

export async function provePasskey(options: Json): Promise<Json> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as unknown as PublicKeyCredentialRequestOptionsJSON)
  const proof = (await navigator.credentials.get({ publicKey })) as PublicKeyCredential
  return proof.toJSON() as Json
}
