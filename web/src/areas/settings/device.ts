const browsers: [RegExp, string][] = [
  [/MicroMessenger\//, 'WeChat'], [/Edg(?:e|A|iOS)?\//, 'Edge'], [/OPR\//, 'Opera'], [/Firefox\/|FxiOS\//, 'Firefox'],
  [/Chrome\/|CriOS\/|HeadlessChrome\//, 'Chrome'], [/Safari\//, 'Safari'],
]
const systems: [RegExp, string][] = [
  [/HarmonyOS|OpenHarmony/, 'HarmonyOS'], [/Android/, 'Android'], [/iPhone|iPad/, 'iOS'], [/Windows/, 'Windows'], [/Mac OS X/, 'macOS'], [/Linux/, 'Linux'],
]

/** A device in a few words, from what its browser says of itself; another label stays as it was given. */
export function device(label: string): string {
  if (!/^Mozilla\//.test(label)) return label
  const name = (list: [RegExp, string][]) => list.find(([sign]) => sign.test(label))?.[1]
  return [name(browsers), name(systems)].filter(Boolean).join(' · ') || label
}
