/** Whether a part of the app could not be fetched: browsers say so in words of their own, in English. */
export const isUnfetched = (error: Error): boolean => error instanceof TypeError && /import|module script/i.test(error.message)
