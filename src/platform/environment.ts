/** environment.ts — this process's environment, as programs that it starts inherit it. */
export const environment = (): string[] => Object.entries(process.env).map(([name, value]) => `${name}=${value ?? ''}`);
