declare module "toolwright:jwt" {
  /** What a token says. Nothing is verified: whoever wrote it could write anything. */
  export function decode(token: string): { header: Record<string, any>; payload: Payload };

  export interface Payload {
    iss?: string;
    sub?: string;
    aud?: string | string[];
    /** Seconds since 1970. */
    exp?: number;
    nbf?: number;
    iat?: number;
    jti?: string;
    [claim: string]: any;
  }
}
