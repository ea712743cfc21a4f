// Two functions, written as tools for other hosts of components are: they know nothing of this platform.
export function getCurrentTime() {
  return new Date().toISOString();
}

export async function readText(url) {
  console.log(`reading ${url}`);
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`the server answered ${response.status}`);
    return await response.text();
  } catch (error) {
    throw String(error?.message ?? error);
  }
}
