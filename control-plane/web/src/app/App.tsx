// Puts everything together: look, cache, sign-in, frame and routes.
import { MantineProvider, createTheme } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import type { ReactElement } from 'react';
import { Router } from 'wouter';

import { queryClient } from '../api/query';
import { SessionProvider } from '../auth/session';
import { SignIn } from '../pages/sign-in/SignIn';
import { Shell } from './Shell';
import { basePath } from './base';
import { Pages } from './routes';

const theme = createTheme({ cursorType: 'pointer', respectReducedMotion: true });

export function App(): ReactElement {
  // No style is ever put into the page: variables and classes are in style sheets.
  return (
    <MantineProvider
      theme={theme}
      defaultColorScheme="auto"
      withCssVariables={false}
      withGlobalClasses={false}
    >
      <QueryClientProvider client={queryClient}>
        <Router base={basePath}>
          <SessionProvider door={(door) => <SignIn {...door} />}>
            <Shell>
              <Pages />
            </Shell>
          </SessionProvider>
        </Router>
      </QueryClientProvider>
    </MantineProvider>
  );
}
